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

test_only_uploads_are_asked_for_the_uploaders_country if {
	other := {"resource/releasabilityTo": ["GBR"]}
	releasability.upload with input as fixture.with_changes(other)
	not releasability.upload with input as fixture.with_changes(object.union(other, {"action/operation": "upload"}))
	releasability.upload with input as fixture.with_changes({"action/operation": "upload"})
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
