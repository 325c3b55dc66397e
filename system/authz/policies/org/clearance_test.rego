package org.clearance_test

import data.org.clearance
import data.testing.fixture

reached := {[have, need] |
	some have, _ in data.reference.levels
	some need, _ in data.reference.levels
	clearance.held with input as fixture.with_changes({
		"subject/clearance": have,
		"resource/classification": need,
	})
}

test_each_level_reaches_itself_and_those_below if {
	reached == {[have, need] |
		some have, upper_rank in data.reference.levels
		some need, lower_rank in data.reference.levels
		upper_rank >= lower_rank
	}
	count(reached) == 15
}

test_what_cannot_be_mapped_reaches_nothing if {
	lowest := {"resource/classification": "UNCLASSIFIED"}
	not clearance.held with input as fixture.with_changes(object.union(lowest, {"subject/clearance": "GEHEIM"}))
	not clearance.held with input as fixture.with_changes({"resource/classification": "PUBLIC"})
	not clearance.held with input as {}
}
