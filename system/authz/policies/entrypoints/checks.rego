# Every check, and the order in which a failing one is the reason.
package dive.checks

order := [
	"authentication",
	"attributes",
	"clearance",
	"strength",
	"MFA",
	"upload",
	"releasability",
	"COI",
	"embargo",
	"ZTDF",
	"industry",
	"industry cap",
	"coherence",
	"issuer",
	"federation",
	"federation cap",
]

outcomes := {
	"authentication": data.base.authentication.held,
	"attributes": data.base.attributes.held,
	"clearance": data.org.clearance.held,
	"strength": data.org.assurance.strength,
	"MFA": data.org.assurance.mfa,
	"upload": data.base.releasability.upload,
	"releasability": data.base.releasability.held,
	"COI": data.base.coi.held,
	"embargo": data.base.embargo.held,
	"ZTDF": data.base.ztdf.held,
	"industry": data.org.industry.permitted,
	"industry cap": data.org.industry.within_cap,
	"coherence": data.org.coherence.held,
	"issuer": data.tenant.federation.trusted,
	"federation": data.tenant.federation.federated,
	"federation cap": data.tenant.federation.within_cap,
}

first_failed := failed[0] if {
	found := outcomes
	failed := [name | some name in order; found[name] == false]
}
