package base.authentication_test

import data.base.authentication
import data.testing.fixture

test_true_is_authenticated if authentication.held with input as fixture.request

test_nothing_else_is if {
	every value in [false, "true", 1, null, []] {
		not authentication.held with input as fixture.with_changes({"subject/authenticated": value})
	}
}

test_missing_is_not if not authentication.held with input as fixture.without("subject/authenticated")

test_no_input_is_not if not authentication.held with input as {}
