package org.equivalence_test

import data.org.equivalence
import data.testing.fixture

test_every_term_of_the_table_maps_to_its_level if {
	count(data.reference.classification_equivalence) == 34
	every country, names in data.reference.classification_equivalence {
		every name, terms in names {
			every term in terms {
				equivalence.level(country, term) == data.reference.levels[name]
			}
		}
	}
}

test_terms_are_upper_cased_first if {
	equivalence.level("FRA", "secret défense") == 3
	equivalence.level("BGR", "Строго Секретно") == 4
	equivalence.level("GRC", "απόρρητο") == 3
}

test_a_letter_with_two_capitals_is_no_two_letters if {
	not equivalence.level("FRA", "NON CLAßIFIÉ")
	not equivalence.level("GBR", "oﬃcial")
}

test_english_terms if {
	every country, _ in object.remove(data.reference.classification_equivalence, ["NATO", "CAN", "GBR", "NZL"]) {
		equivalence.level(country, "UNCLASSIFIED") == 0
		equivalence.level(country, "restricted") == 1
		equivalence.level(country, "Confidential") == 2
		equivalence.level(country, "SECRET") == 3
		equivalence.level(country, "TOP SECRET") == 4
		equivalence.level(country, "TOP_SECRET") == 4
	}
}

test_english_terms_that_are_not_used if {
	not equivalence.level("CAN", "RESTRICTED")
	equivalence.level("CAN", "TOP_SECRET") == 4
	every country in ["GBR", "NZL"] {
		not equivalence.level(country, "TOP_SECRET")
		equivalence.level(country, "TOP SECRET") == 4
	}
}

test_nato_terms_for_any_country if {
	every country in ["USA", "FRA", "AUS", "NATO"] {
		every term in ["NATO SECRET", "NATO_SECRET", "nato-secret"] {
			equivalence.level(country, term) == 3
		}
		equivalence.level(country, "COSMIC_TOP-SECRET") == 4
	}
}

test_the_alliance_has_its_own_terms_only if {
	every term in ["SECRET", "GEHEIM", "NATO TOP SECRET", ""] {
		not equivalence.level("NATO", term)
	}
}

test_a_country_outside_the_table_has_no_other_terms if not equivalence.level("AUS", "SECRET")

test_unmappable if {
	every term in ["", " SECRET", "SECRET ", "GEHEIM", 3, null, true] {
		not equivalence.level("FRA", term)
	}
}

cleared(clearance, country, original) := fixture.with_changes({
	"subject/clearance": clearance,
	"subject/clearanceCountry": country,
	"subject/clearanceOriginal": original,
})

test_without_clearance_country_only_canonical_terms if {
	equivalence.subject_level == 3 with input as cleared("SECRET", null, null)
	every term in ["secret", "NATO SECRET", "TOP SECRET", "GEHEIM"] {
		not equivalence.subject_level with input as cleared(term, null, null)
	}
}

test_the_clearance_is_mapped_when_there_is_no_original if {
	equivalence.subject_level == 3 with input as cleared("SECRET DÉFENSE", "FRA", null)
	equivalence.subject_level == 3 with input as cleared("secret", "FRA", null)
	not equivalence.subject_level with input as cleared("RESTRICTED", "CAN", null)
	not equivalence.subject_level with input as cleared("GEHEIM", "FRA", null)
}

test_the_lower_of_original_and_clearance if {
	equivalence.subject_level == 2 with input as cleared("SECRET", "DEU", "VS-VERTRAULICH")
	equivalence.subject_level == 2 with input as cleared("CONFIDENTIAL", "DEU", "GEHEIM")
	equivalence.subject_level == 2 with input as cleared("VERTRAULICH", "DEU", "GEHEIM")
}

test_a_canonical_clearance_beside_an_original_stands if {
	equivalence.subject_level == 1 with input as cleared("RESTRICTED", "CAN", "PROTECTED A")
	equivalence.subject_level == 4 with input as cleared("TOP_SECRET", "GBR", "TS")
	equivalence.subject_level == 3 with input as cleared("SECRET", "AUS", "NATO SECRET")
}

test_an_original_needs_its_country_and_must_map if {
	not equivalence.subject_level with input as cleared("SECRET", null, "SECRET")
	not equivalence.subject_level with input as cleared("SECRET", "DEU", "SECRET DÉFENSE")
	not equivalence.subject_level with input as cleared("SECRET", "DEU", "")
	not equivalence.subject_level with input as cleared("SÉCRET", "DEU", "GEHEIM")
}

marked(classification, country, original) := fixture.with_changes({
	"resource/classification": classification,
	"resource/originalCountry": country,
	"resource/originalClassification": original,
})

test_the_higher_of_marking_and_classification if {
	equivalence.resource_level == 3 with input as marked("SECRET", null, null)
	equivalence.resource_level == 3 with input as marked("CONFIDENTIAL", "DEU", "GEHEIM")
	equivalence.resource_level == 3 with input as marked("SECRET", "DEU", "VS-NFD")
}

test_half_a_marking_or_one_that_cannot_be_read_is_no_level if {
	not equivalence.resource_level with input as marked("SECRET", "DEU", null)
	not equivalence.resource_level with input as marked("SECRET", null, "GEHEIM")
	not equivalence.resource_level with input as marked("SECRET", "DEU", "SEGRETO")
	not equivalence.resource_level with input as marked("SECRET", "DEU", "")
	not equivalence.resource_level with input as marked("GEHEIM", "DEU", "GEHEIM")
	not equivalence.resource_level with input as marked("secret", null, null)
}
