package org.industry_test

import data.org.industry
import data.testing.fixture

employed(organization, country, level, releasable) := fixture.with_changes({
	"subject/organizationType": organization,
	"subject/countryOfAffiliation": country,
	"resource/classification": level,
	"resource/releasableToIndustry": releasable,
})

test_others_than_industry if {
	every organization in [null, "GOV", "MIL"] {
		every releasable in [null, true, false] {
			industry.permitted with input as employed(organization, "DEU", "TOP_SECRET", releasable)
			industry.within_cap with input as employed(organization, "DEU", "TOP_SECRET", releasable)
		}
	}
}

test_industry_needs_a_release if {
	industry.permitted with input as employed("INDUSTRY", "DEU", "CONFIDENTIAL", true)
	every releasable in [null, false, "true", 1] {
		not industry.permitted with input as employed("INDUSTRY", "DEU", "CONFIDENTIAL", releasable)
	}
}

test_unknown_organizations if {
	every organization in ["", "NGO", "industry", 1, true] {
		not industry.permitted with input as employed(organization, "DEU", "UNCLASSIFIED", true)
	}
}

test_the_flag_is_a_boolean_for_everyone if {
	not industry.permitted with input as employed("GOV", "DEU", "SECRET", "false")
}

test_caps if {
	every country in ["USA", "GBR"] {
		industry.within_cap with input as employed("INDUSTRY", country, "SECRET", true)
		not industry.within_cap with input as employed("INDUSTRY", country, "TOP_SECRET", true)
	}
	every country in ["FRA", "DEU", "CAN"] {
		industry.within_cap with input as employed("INDUSTRY", country, "CONFIDENTIAL", true)
		not industry.within_cap with input as employed("INDUSTRY", country, "SECRET", true)
	}
}

test_no_input if {
	not industry.permitted with input as {}
	not industry.within_cap with input as {}
}
