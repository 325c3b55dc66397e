package base.coi_test

import data.base.coi
import data.testing.fixture

markings(memberships, required, operator) := fixture.with_changes({
	"subject/acpCOI": memberships,
	"resource/COI": required,
	"resource/coiOperator": operator,
})

test_all if {
	every operator in [null, "ALL"] {
		coi.held with input as markings(["FVEY", "NATO"], ["FVEY"], operator)
		coi.held with input as markings(["FVEY", "NATO"], ["NATO", "FVEY", "NATO"], operator)
		not coi.held with input as markings(["FVEY"], ["FVEY", "NATO"], operator)
	}
}

test_any if {
	coi.held with input as markings(["FVEY"], ["FVEY", "NATO"], "ANY")
	not coi.held with input as markings(["AUKUS"], ["FVEY", "NATO"], "ANY")
}

test_a_subject_without_communities_fails if {
	every operator in [null, "ALL", "ANY"] {
		every none in [[], null] {
			not coi.held with input as markings(none, ["FVEY"], operator)
		}
	}
}

test_us_only_is_exact_besides_the_operator if {
	coi.held with input as markings(["US-ONLY"], ["US-ONLY"], "ALL")
	coi.held with input as markings(["US-ONLY", "US-ONLY"], ["US-ONLY"], null)
	coi.held with input as markings(["US-ONLY"], ["US-ONLY", "FVEY"], "ANY")
	not coi.held with input as markings(["US-ONLY"], ["US-ONLY", "FVEY"], "ALL")
	not coi.held with input as markings(["US-ONLY", "FVEY"], ["US-ONLY"], "ALL")
	not coi.held with input as markings(["FVEY"], ["US-ONLY", "FVEY"], "ANY")
}

test_an_unknown_operator_fails_where_there_is_something_to_combine if {
	every operator in ["", "all", "SOME", 1, true] {
		not coi.held with input as markings(["FVEY"], ["FVEY"], operator)
		coi.held with input as markings(["FVEY"], [], operator)
	}
}

test_a_string_is_no_list if {
	not coi.held with input as markings("FVEY", ["FVEY"], null)
	not coi.held with input as markings(["FVEY"], "FVEY", null)
	not coi.held with input as markings("FVEY", [], null)
	not coi.held with input as markings([], {"a": "FVEY"}, null)
	not coi.held with input as markings([1], [1], null)
}

test_no_communities if {
	coi.held with input as markings([], [], null)
	coi.held with input as markings([], null, null)
	coi.held with input as fixture.without("resource/COI")
}

test_no_input if not coi.held with input as {}
