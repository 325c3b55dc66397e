package org.coherence_test

import data.org.coherence
import data.testing.fixture

marked(communities, operator) := fixture.with_changes({
	"resource/COI": communities,
	"resource/coiOperator": operator,
})

test_nothing_marked if coherence.held with input as fixture.request

test_us_only_stands_alone if {
	coherence.held with input as marked(["US-ONLY"], "ALL")
	coherence.held with input as marked(["US-ONLY", "US-ONLY"], "ALL")
	not coherence.held with input as marked(["US-ONLY", "FVEY"], "ALL")
}

test_eu_restricted if {
	coherence.held with input as marked(["EU-RESTRICTED", "NATO"], "ALL")
	not coherence.held with input as marked(["EU-RESTRICTED", "NATO-COSMIC"], "ALL")
	not coherence.held with input as marked(["EU-RESTRICTED", "US-ONLY"], "ALL")
}

test_overlapping_communities_and_any if {
	every pair in [["CAN-US", "FVEY"], ["GBR-US", "FVEY"], ["FVEY", "AUKUS"], ["NATO-COSMIC", "NATO"]] {
		not coherence.held with input as marked(pair, "ANY")
		not coherence.held with input as marked(array.concat(pair, ["QUAD"]), "ANY")
		coherence.held with input as marked(pair, "ALL")
		coherence.held with input as marked(pair, null)
	}
	coherence.held with input as marked(["FVEY", "NATO"], "ANY")
}

noforn(communities, countries) := fixture.with_changes({
	"resource/caveats": ["ORCON", "NOFORN"],
	"resource/COI": communities,
	"resource/releasabilityTo": countries,
})

test_noforn_is_for_the_us_alone if {
	coherence.held with input as noforn(["US-ONLY"], ["USA"])
	not coherence.held with input as noforn([], ["USA"])
	not coherence.held with input as noforn(["FVEY"], ["USA"])
	not coherence.held with input as noforn(["US-ONLY"], ["USA", "GBR"])
	not coherence.held with input as noforn(["US-ONLY"], [])
}

test_caveats_are_a_list if {
	every caveats in [null, [], ["ORCON"], ["noforn"]] {
		coherence.held with input as fixture.with_changes({"resource/caveats": caveats})
	}
	every caveats in ["", "ORCON", {"a": "ORCON"}, [1], true] {
		not coherence.held with input as fixture.with_changes({"resource/caveats": caveats})
	}
}

strict(communities, countries, mode) := fixture.with_changes({
	"context/strict_coi_coherence": mode,
	"resource/COI": communities,
	"resource/releasabilityTo": countries,
})

test_strict_mode_keeps_releases_inside_the_communities if {
	coherence.held with input as strict(["FVEY"], ["USA", "GBR"], true)
	not coherence.held with input as strict(["FVEY"], ["USA", "FRA"], true)
	coherence.held with input as strict(["FVEY", "FRA-US"], ["USA", "FRA"], true)
	not coherence.held with input as strict(["UNLISTED"], ["USA"], true)
	coherence.held with input as strict([], ["USA", "FRA"], true)
}

test_strict_mode_is_off_unless_switched_on if {
	coherence.held with input as strict(["FVEY"], ["USA", "FRA"], false)
	coherence.held with input as strict(["FVEY"], ["USA", "FRA"], null)
	not coherence.held with input as strict(["FVEY"], ["USA"], "true")
}

test_the_members_are_those_agreed if {
	count(data.reference.coi_members.NATO) == 32
	data.reference.coi_members["NATO-COSMIC"] == data.reference.coi_members.NATO
	count(data.reference.coi_members["EU-RESTRICTED"]) == 27
	every countries in data.reference.coi_members {
		every country in countries {
			data.reference.countries.alpha2[country]
		}
	}
}
