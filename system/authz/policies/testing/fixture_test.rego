# An input that everything allows, and ways to spoil it.
package testing.fixture

request := {
	"subject": {
		"authenticated": true,
		"uniqueID": "alice",
		"clearance": "SECRET",
		"countryOfAffiliation": "USA",
		"acpCOI": [],
		"issuer": "https://idp.usa.example",
	},
	"action": {"operation": "read"},
	"resource": {
		"resourceId": "doc-1",
		"classification": "SECRET",
		"releasabilityTo": ["USA", "GBR"],
		"COI": [],
	},
	"context": {
		"currentTime": "2025-06-01T12:00:00Z",
		"acr": "2",
		"amr": ["pwd", "otp"],
		"tenant": "USA",
		"sourceIP": "10.0.0.1",
		"requestId": "req-1",
	},
}

trusted_issuers := {
	"https://idp.usa.example": {"tenant": "USA", "maxClassification": "TOP_SECRET"},
	"https://idp.fra.example": {"tenant": "FRA", "maxClassification": "SECRET"},
	"https://idp.deu.example": {"tenant": "DEU", "maxClassification": "CONFIDENTIAL"},
	"https://idp.pol.example": {"tenant": "POL"},
}

federation_matrix := {
	"USA": ["FRA", "DEU", "POL"],
	"FRA": ["USA"],
	"DEU": ["USA", "FRA"],
	"POL": ["USA"],
}

# The request with fields set: `changes` maps paths such as "subject/clearance" to values.
with_changes(changes) := object.union_n(array.concat([request], [{part: {field: value}} |
	some path, value in changes
	[part, field] := split(path, "/")
]))

without(path) := json.remove(request, [path])
