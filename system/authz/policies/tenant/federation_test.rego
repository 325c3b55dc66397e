package tenant.federation_test

import data.tenant.federation
import data.testing.fixture

asked(issuer, tenant, level) := fixture.with_changes({
	"subject/issuer": issuer,
	"context/tenant": tenant,
	"resource/classification": level,
})

test_trusted_issuers if {
	every issuer, _ in fixture.trusted_issuers {
		federation.trusted with input as asked(issuer, "USA", "SECRET")
			with data.trusted_issuers as fixture.trusted_issuers
	}
	every issuer in ["https://idp.rus.example", "", " ", null, 1, true] {
		not federation.trusted with input as asked(issuer, "USA", "SECRET")
			with data.trusted_issuers as fixture.trusted_issuers
	}
}

test_without_data_nothing_is_trusted if {
	every empty in [null, {}, [], "https://idp.usa.example", {"https://idp.usa.example": true}] {
		not federation.trusted with input as fixture.request with data.trusted_issuers as empty
		not federation.federated with input as fixture.request with data.trusted_issuers as empty
		not federation.within_cap with input as fixture.request with data.trusted_issuers as empty
	}
	not federation.trusted with input as fixture.request
	not federation.federated with input as fixture.request
	not federation.within_cap with input as fixture.request
}

test_both_directions_are_needed if {
	federation.federated with input as asked("https://idp.fra.example", "USA", "SECRET")
		with data.trusted_issuers as fixture.trusted_issuers
		with data.federation_matrix as fixture.federation_matrix
	not federation.federated with input as asked("https://idp.fra.example", "DEU", "SECRET")
		with data.trusted_issuers as fixture.trusted_issuers
		with data.federation_matrix as fixture.federation_matrix
	not federation.federated with input as asked("https://idp.deu.example", "FRA", "SECRET")
		with data.trusted_issuers as fixture.trusted_issuers
		with data.federation_matrix as fixture.federation_matrix
	not federation.federated with input as asked("https://idp.fra.example", "USA", "SECRET")
		with data.trusted_issuers as fixture.trusted_issuers
		with data.federation_matrix as {"USA": "FRA", "FRA": "USA"}
}

test_a_tenant_federates_with_itself if {
	federation.federated with input as fixture.request with data.trusted_issuers as fixture.trusted_issuers
}

test_the_nodes_tenant_is_needed if {
	every tenant in [null, "", " ", 1] {
		not federation.federated with input as asked("https://idp.fra.example", tenant, "SECRET")
			with data.trusted_issuers as fixture.trusted_issuers
			with data.federation_matrix as fixture.federation_matrix
	}
}

test_the_agreed_cap if {
	every level in ["UNCLASSIFIED", "CONFIDENTIAL"] {
		federation.within_cap with input as asked("https://idp.deu.example", "USA", level)
			with data.trusted_issuers as fixture.trusted_issuers
	}
	not federation.within_cap with input as asked("https://idp.deu.example", "USA", "SECRET")
		with data.trusted_issuers as fixture.trusted_issuers
	not federation.within_cap with input as asked("https://idp.pol.example", "USA", "UNCLASSIFIED")
		with data.trusted_issuers as fixture.trusted_issuers
}

test_the_own_tenant_has_no_cap if {
	federation.within_cap with input as asked("https://idp.pol.example", "POL", "TOP_SECRET")
		with data.trusted_issuers as fixture.trusted_issuers
}

test_the_marking_counts_for_the_cap if {
	marked := object.union(
		asked("https://idp.deu.example", "USA", "CONFIDENTIAL"),
		{"resource": {"originalCountry": "DEU", "originalClassification": "GEHEIM"}},
	)
	not federation.within_cap with input as marked with data.trusted_issuers as fixture.trusted_issuers
}
