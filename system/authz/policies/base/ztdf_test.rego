package base.ztdf_test

import data.base.ztdf
import data.testing.fixture

intact := {"integrityValidated": true, "policyHash": "p", "payloadHash": "q"}

test_absent if {
	ztdf.held with input as fixture.request
	ztdf.held with input as fixture.with_changes({"resource/ztdf": null})
}

test_intact if ztdf.held with input as fixture.with_changes({"resource/ztdf": intact})

test_a_hash_is_missing if {
	every hash in ["policyHash", "payloadHash"] {
		every missing in ["", " ", null, 1] {
			changed := object.union(intact, {hash: missing})
			not ztdf.held with input as fixture.with_changes({"resource/ztdf": changed})
		}
		removed := object.remove(intact, [hash])
		not ztdf.held with input as fixture.with_changes({"resource/ztdf": removed})
	}
}

test_only_true_validates if {
	every value in [false, "true", 1, null] {
		changed := object.union(intact, {"integrityValidated": value})
		not ztdf.held with input as fixture.with_changes({"resource/ztdf": changed})
	}
}

test_no_object if {
	every value in [{}, [], "intact", true, false] {
		not ztdf.held with input as fixture.with_changes({"resource/ztdf": value})
	}
}
