package dive.authz_test

import data.dive.authz
import data.dive.checks
import data.testing.fixture

decide(changes) := decision if {
	decision := authz with input as fixture.with_changes(changes)
		with data.trusted_issuers as fixture.trusted_issuers
		with data.federation_matrix as fixture.federation_matrix
}

# What spoils each check, and nothing that comes before it.
spoilers := {
	"authentication": {"subject/authenticated": false},
	"attributes": {"subject/uniqueID": ""},
	"clearance": {"subject/clearance": "CONFIDENTIAL"},
	"strength": {"context/acr": ""},
	"MFA": {"context/acr": "1", "context/amr": ["pwd"]},
	"upload": {"action/operation": "upload", "resource/releasabilityTo": []},
	"releasability": {"resource/releasabilityTo": []},
	"COI": {"resource/COI": ["FVEY"]},
	"embargo": {"resource/creationDate": "2030-01-01T00:00:00Z"},
	"ZTDF": {"resource/ztdf": {}},
	"industry": {"subject/organizationType": "NGO"},
	"industry cap": {
		"subject/organizationType": "INDUSTRY",
		"subject/countryOfAffiliation": "GBR",
		"resource/releasableToIndustry": true,
		"subject/clearance": "TOP_SECRET",
		"resource/classification": "TOP_SECRET",
	},
	"coherence": {"resource/caveats": ["NOFORN"]},
	"issuer": {"subject/issuer": "https://nobody.example"},
	"federation": {"context/tenant": "FRA", "subject/issuer": "https://idp.deu.example"},
	"federation cap": {"subject/issuer": "https://idp.deu.example"},
}

test_allowed if {
	decision := decide({})
	decision.allow == true
	decision.reason == "allow"
	decision.obligations == []
	every name in checks.order {
		decision.evaluation_details.checks[name] == true
	}
}

test_the_document_is_exactly_this if {
	object.keys(decide({})) == {"allow", "reason", "obligations", "evaluation_details"}
	object.keys(decide({}).evaluation_details) == {"checks"}
	object.keys(decide({}).evaluation_details.checks) == {name | some name in checks.order}
	count(checks.order) == 16
}

test_the_reason_is_the_check_that_failed if {
	every name in checks.order {
		decision := decide(spoilers[name])
		decision.allow == false
		decision.reason == name
		decision.obligations == []
	}
}

test_of_two_failures_the_earlier_is_the_reason if {
	every place, name in checks.order {
		every later in array.slice(checks.order, place + 1, count(checks.order)) {
			decision := decide(object.union(spoilers[later], spoilers[name]))
			decision.reason == name
		}
	}
}

test_an_encrypted_resource_obliges_to_ask_for_the_key if {
	decision := decide({"resource/encrypted": true})
	decision.allow == true
	decision.obligations == [{"type": "kas", "action": "request_key", "kaoId": "kao-doc-1"}]
}

test_a_denial_obliges_to_nothing if {
	decide({"resource/encrypted": true, "subject/authenticated": false}).obligations == []
}

test_nothing_is_denied if {
	every nothing in [{}, [], null, "", 1, true] {
		decision := authz with input as nothing
		decision.allow == false
		decision.reason == "authentication"
	}
}

test_without_data_denied if {
	decision := authz with input as fixture.request
	decision.allow == false
	decision.reason == "issuer"
}

test_federation_before_its_cap if {
	decide({"context/tenant": "FRA", "subject/issuer": "https://idp.deu.example"}).reason == "federation"
}

test_missing_context_denies if {
	decide({"action/operation": null}).reason == "attributes"
	decide({"context/currentTime": null}).reason == "embargo"
	decide({"subject/issuer": null}).reason == "issuer"
	decide({"context/tenant": null}).reason == "federation"
}
