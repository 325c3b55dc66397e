# Whose tokens this node takes, and how far. Without data nothing is trusted.
#
# `data.trusted_issuers`: issuer → {tenant, maxClassification}.
# `data.federation_matrix`: tenant → the tenants it federates with; both must name the other.
package tenant.federation

default trusted := false

trusted if {
	trim_space(input.subject.issuer) != ""
	is_object(data.trusted_issuers[input.subject.issuer])
}

default federated := false

federated if own_tenant

federated if {
	trusted
	trim_space(input.context.tenant) != ""
	issuers := data.trusted_issuers[input.subject.issuer].tenant
	trim_space(issuers) != ""
	_names(input.context.tenant, issuers)
	_names(issuers, input.context.tenant)
}

# No more than was agreed with the issuer's tenant; there is nothing to agree with oneself.
default within_cap := false

within_cap if own_tenant

within_cap if {
	trusted
	agreed := data.trusted_issuers[input.subject.issuer].maxClassification
	data.reference.levels[agreed] >= data.org.equivalence.resource_level
}

# This node's tenant comes from the node, never from the token.
own_tenant if {
	trusted
	trim_space(input.context.tenant) != ""
	data.trusted_issuers[input.subject.issuer].tenant == input.context.tenant
}

_names(tenant, other) if {
	is_array(data.federation_matrix[tenant])
	other in data.federation_matrix[tenant]
}
