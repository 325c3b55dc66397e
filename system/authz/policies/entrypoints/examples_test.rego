# The worked examples of the rules: who (clearance, country), what (classification, release countries), how
# authenticated (class, factors), and what is decided.
package dive.examples_test

import data.dive.authz
import data.testing.fixture

decide(changes) := decision if {
	decision := authz with input as fixture.with_changes(changes)
		with data.trusted_issuers as fixture.trusted_issuers
		with data.federation_matrix as fixture.federation_matrix
}

question(who, what, how) := {
	"subject/clearance": who[0],
	"subject/countryOfAffiliation": who[1],
	"resource/classification": what[0],
	"resource/releasabilityTo": what[1],
	"context/acr": how[0],
	"context/amr": how[1],
}

secret_question := question(["SECRET", "USA"], ["SECRET", ["USA", "GBR"]], ["2", ["pwd"]])

industry := {"subject/organizationType": "INDUSTRY", "resource/releasableToIndustry": true}

examples := [
	["allow", secret_question],
	["authentication", object.union(secret_question, {"subject/authenticated": false})],
	["clearance", question(["CONFIDENTIAL", "USA"], ["SECRET", ["USA"]], ["2", ["pwd"]])],
	["releasability", question(["SECRET", "FRA"], ["SECRET", ["USA", "GBR"]], ["2", ["pwd"]])],
	["issuer", object.union(
		question(["TOP_SECRET", "USA"], ["SECRET", ["USA"]], ["2", ["pwd"]]),
		{"subject/issuer": "https://nobody.example"},
	)],
	["allow", question(["UNCLASSIFIED", "USA"], ["UNCLASSIFIED", ["USA"]], ["0", ["pwd"]])],
	["strength", question(["CONFIDENTIAL", "USA"], ["CONFIDENTIAL", ["USA"]], ["0", ["pwd"]])],
	["MFA", question(["SECRET", "USA"], ["SECRET", ["USA"]], ["1", ["pwd"]])],
	["allow", object.union(
		question(["SECRET DÉFENSE", "FRA"], ["SECRET", ["USA", "FRA"]], ["2", ["pwd"]]),
		{"subject/clearanceCountry": "FRA"},
	)],
	["allow", object.union(
		question(["SECRET", "DEU"], ["CONFIDENTIAL", ["USA", "DEU"]], ["2", ["pwd"]]),
		industry,
	)],
	["industry cap", object.union(question(["SECRET", "FRA"], ["SECRET", ["FRA"]], ["2", ["pwd"]]), industry)],
]

test_the_examples if {
	count(examples) == 11
	every example in examples {
		decision := decide(example[1])
		decision.reason == example[0]
		allowed := example[0] == "allow"
		decision.allow == allowed
		decision.obligations == []
	}
}

test_the_example_of_an_encrypted_resource if {
	decision := decide(object.union(secret_question, {"resource/encrypted": true}))
	decision.allow == true
	decision.obligations == [{"type": "kas", "action": "request_key", "kaoId": "kao-doc-1"}]
}
