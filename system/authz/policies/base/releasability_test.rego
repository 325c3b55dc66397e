package base.releasability_test

import data.base.releasability
import data.testing.fixture

test_released if {
	releasability.held with input as fixture.request
}

test_not_released if {
	every list in [["GBR"], [], "USA", {"a": "USA"}, null] {
		not releasability.held with input as fixture.with_changes({"resource/releasabilityTo": list})
	}
	not releasability.held with input as fixture.with_changes({"subject/countryOfAffiliation": "FRA"})
}

test_a_list_with_something_else_than_strings_releases_nothing if {
	every country in ["USA", null] {
		not releasability.held with input as fixture.with_changes({
			"subject/countryOfAffiliation": country,
			"resource/releasabilityTo": ["USA", null],
		})
	}
}

test_only_uploads_are_asked_for_the_uploaders_country if {
	other := {"resource/releasabilityTo": ["GBR"]}
	releasability.upload with input as fixture.with_changes(other)
	not releasability.upload with input as fixture.with_changes(object.union(other, {"action/operation": "upload"}))
	releasability.upload with input as fixture.with_changes({"action/operation": "upload"})
}

test_an_operation_that_is_not_told_could_be_an_upload if {
	every operation in [null, "", 1] {
		told := {"action/operation": operation}
		releasability.upload with input as fixture.with_changes(told)
		not releasability.upload with input as fixture.with_changes(object.union(told, {"resource/releasabilityTo": ["GBR"]}))
	}
}

test_upload_is_case_sensitive if {
	releasability.upload with input as fixture.with_changes({
		"action/operation": "Upload",
		"resource/releasabilityTo": [],
	})
}

test_no_input if {
	not releasability.held with input as {}
	not releasability.upload with input as {}
}
