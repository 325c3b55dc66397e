package base.attributes_test

import data.base.attributes
import data.testing.fixture

required := {
	"subject/uniqueID",
	"subject/clearance",
	"subject/countryOfAffiliation",
	"action/operation",
	"resource/classification",
	"resource/releasabilityTo",
}

test_complete if attributes.held with input as fixture.request

test_each_required_one_is_needed if {
	every path in required {
		not attributes.held with input as fixture.without(path)
	}
}

test_blank_and_null_are_missing if {
	every path in required {
		every blank in ["", "  ", "\t", null] {
			not attributes.held with input as fixture.with_changes({path: blank})
		}
	}
}

test_types_are_strict if {
	every path in required {
		every value in [1, true, {}] {
			not attributes.held with input as fixture.with_changes({path: value})
		}
	}
}

test_countries_are_alpha_3 if {
	every country in ["US", "usa", "XXX", "UK", "NATO", "USA "] {
		not attributes.held with input as fixture.with_changes({"subject/countryOfAffiliation": country})
		not attributes.held with input as fixture.with_changes({"resource/originalCountry": country})
		not attributes.held with input as fixture.with_changes({"resource/releasabilityTo": ["USA", country]})
	}
	every country in ["US", "usa", "XXX", "", 7] {
		not attributes.held with input as fixture.with_changes({"subject/clearanceCountry": country})
	}
}

test_a_country_may_stand_as_original_country if {
	every country in ["FRA", "AUS", null] {
		attributes.held with input as fixture.with_changes({"resource/originalCountry": country})
	}
}

test_the_alliance_may_stand_as_clearance_country if {
	every country in ["NATO", "FRA", null] {
		attributes.held with input as fixture.with_changes({"subject/clearanceCountry": country})
	}
}

test_an_empty_release_list_is_there if {
	attributes.held with input as fixture.with_changes({"resource/releasabilityTo": []})
}

test_encrypted_is_a_boolean_of_a_named_resource if {
	every value in [true, false, null] {
		attributes.held with input as fixture.with_changes({"resource/encrypted": value})
	}
	not attributes.held with input as fixture.with_changes({"resource/encrypted": "true"})
	not attributes.held with input as fixture.with_changes({"resource/encrypted": true, "resource/resourceId": ""})
}

test_no_input if not attributes.held with input as {}
