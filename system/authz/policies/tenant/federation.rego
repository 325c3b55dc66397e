# Whose tokens this node takes, and how far. Without data nothing is trusted.
#
# `data.trusted_issuers`: issuer → {tenant, maxClassification}.
# `data.federation_matrix`: tenant → the tenants it federates with; both must name the other.
package tenant.federation

import data.base.levels
import data.base.types
import data.org.equivalence

default trusted := false

trusted if {
	types.text(input.subject.issuer)
	is_object(_agreement)
}

default federated := false

federated if _own_tenant

federated if {
	trusted
	types.text(_agreement.tenant)
	types.text(input.context.tenant)
	_names(input.context.tenant, _agreement.tenant)
	_names(_agreement.tenant, input.context.tenant)
}

# No more than was agreed with the issuer's tenant; there is nothing to agree with oneself.
default within_cap := false

within_cap if _own_tenant

within_cap if {
	trusted
	levels.rank[_agreement.maxClassification] >= equivalence.resource_level
}

# This node's tenant comes from the node, never from the token.
_own_tenant if {
	trusted
	types.text(input.context.tenant)
	_agreement.tenant == input.context.tenant
}

_names(tenant, other) if {
	is_array(data.federation_matrix[tenant])
	other in data.federation_matrix[tenant]
}

_agreement := data.trusted_issuers[input.subject.issuer]
