package org.assurance_test

import data.org.assurance
import data.testing.fixture

authenticated(acr, amr, level) := fixture.with_changes({
	"context/acr": acr,
	"context/amr": amr,
	"resource/classification": level,
})

secret(acr, amr) := authenticated(acr, amr, "SECRET")

test_strong_classes if {
	every acr in [1, 2, 3, "1", "2", "3", "silver", "urn:x:GOLD", "AAL2", "aal3", "Multi-Factor"] {
		assurance.strength with input as secret(acr, ["pwd"])
		assurance.strength with input as secret(acr, [])
		assurance.strength with input as secret(acr, null)
	}
}

test_weak_classes if {
	every acr in [0, 4, "0", "4", "12", "bronze", "aal1", "password"] {
		not assurance.strength with input as secret(acr, ["pwd"])
		assurance.strength with input as secret(acr, ["pwd", "otp"])
	}
}

test_without_a_class_there_is_nothing_to_judge if {
	assurance.strength with input as secret(null, ["pwd"])
	assurance.strength with input as secret(null, null)
}

test_no_factors_are_no_factor if not assurance.strength with input as secret("0", null)

test_the_lowest_level_needs_nothing if {
	assurance.strength with input as authenticated("0", ["pwd"], "UNCLASSIFIED")
	assurance.mfa with input as authenticated("0", ["pwd"], "UNCLASSIFIED")
}

test_what_is_malformed_is_denied_at_every_level if {
	every level in ["UNCLASSIFIED", "SECRET"] {
		every acr in ["", " ", true, [], {}] {
			not assurance.strength with input as authenticated(acr, ["pwd", "otp"], level)
		}
		every amr in ["pwd otp", {"a": "pwd", "b": "otp"}, [1, 2], true] {
			not assurance.strength with input as authenticated("2", amr, level)
		}
	}
}

test_two_factors_or_a_number_from_two_up if {
	every acr in [2, 3, 7, "2", "3", "10", "02"] {
		assurance.mfa with input as secret(acr, ["pwd"])
	}
	every acr in [0, 1, "0", "1", "01", "000", "gold", "aal2", "2.5", "-3", null, ""] {
		not assurance.mfa with input as secret(acr, ["pwd"])
		assurance.mfa with input as secret(acr, ["pwd", "otp"])
	}
}

test_the_same_factor_twice_is_one_factor if {
	not assurance.mfa with input as secret("1", ["pwd", "pwd"])
	not assurance.strength with input as secret("0", ["pwd", "pwd"])
	not assurance.mfa with input as secret("1", ["pwd", " "])
}

test_aal3_is_asked_for_at_the_highest_level_only_when_switched_on if {
	weak := authenticated("1", ["pwd", "otp"], "TOP_SECRET")
	assurance.mfa with input as weak
	assurance.mfa with input as weak with data.policy as {"require_aal3": false}
	not assurance.mfa with input as weak with data.policy as {"require_aal3": true}
	not assurance.mfa with input as weak with data.policy as {"require_aal3": "no"}
	assurance.mfa with input as secret("1", ["pwd", "otp"]) with data.policy as {"require_aal3": true}
	every acr in [2, 3, "2", "3", "gold", "AAL3"] {
		strong := authenticated(acr, ["pwd", "otp"], "TOP_SECRET")
		assurance.mfa with input as strong with data.policy as {"require_aal3": true}
	}
	every acr in ["silver", "aal2", "4", 4, null] {
		strong := authenticated(acr, ["pwd", "otp"], "TOP_SECRET")
		not assurance.mfa with input as strong with data.policy as {"require_aal3": true}
	}
}

test_a_level_that_cannot_be_read_is_not_low if {
	not assurance.strength with input as authenticated("2", ["pwd", "otp"], "PUBLIC")
	not assurance.mfa with input as authenticated("2", ["pwd", "otp"], "PUBLIC")
	not assurance.strength with input as {}
	not assurance.mfa with input as {}
}
