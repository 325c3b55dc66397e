package base.embargo_test

import data.base.embargo
import data.testing.fixture

dated(now, creation) := fixture.with_changes({"context/currentTime": now, "resource/creationDate": creation})

test_no_creation_date if {
	embargo.held with input as fixture.request
	embargo.held with input as dated("2025-06-01T12:00:00Z", null)
}

test_five_minutes_early_to_the_nanosecond if {
	embargo.held with input as dated("2025-06-01T12:00:00Z", "2025-06-01T12:05:00Z")
	not embargo.held with input as dated("2025-06-01T12:00:00Z", "2025-06-01T12:05:00.000000001Z")
	embargo.held with input as dated("2025-06-01T12:00:00.000000001Z", "2025-06-01T12:05:00.000000001Z")
}

test_offsets_are_honoured if {
	embargo.held with input as dated("2025-06-01T12:00:00Z", "2025-06-01T14:05:00+02:00")
	not embargo.held with input as dated("2025-06-01T12:00:00Z", "2025-06-01T12:00:00-00:06")
}

test_what_is_no_date_denies if {
	bad := [
		"",
		" ",
		"yesterday",
		"2025-06-01",
		"2025-06-01T12:00:00",
		"2025-06-01 12:00:00Z",
		"2025-06-01t12:00:00z",
		"2025-02-30T12:00:00Z",
		"2025-06-01T24:00:00Z",
		"2025-06-01T12:00:60Z",
		"2025-06-01T1:00:00Z",
		"2025-06-01T12:00:00,5Z",
		"2025-06-01T12:00:00+24:00",
		"2025-06-01T12:00:00+00:60",
		"1500-01-01T00:00:00Z",
		"9999-01-01T00:00:00Z",
		1748779200,
		true,
		[],
	]
	every date in bad {
		not embargo.held with input as dated("2025-06-01T12:00:00Z", date)
		not embargo.held with input as dated(date, "2025-06-01T12:00:00Z")
	}
}

test_the_time_is_always_needed if {
	every now in ["", "  ", null, 1] {
		not embargo.held with input as fixture.with_changes({"context/currentTime": now})
	}
	not embargo.held with input as fixture.without("context/currentTime")
}

test_no_input if not embargo.held with input as {}
