# Every check, and the order in which a failing one is the reason.
package dive.checks

import data.base.attributes
import data.base.authentication
import data.base.coi
import data.base.embargo
import data.base.releasability
import data.base.ztdf
import data.org.assurance
import data.org.clearance
import data.org.coherence
import data.org.industry
import data.tenant.federation

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
	"authentication": authentication.held,
	"attributes": attributes.held,
	"clearance": clearance.held,
	"strength": assurance.strength,
	"MFA": assurance.mfa,
	"upload": releasability.upload,
	"releasability": releasability.held,
	"COI": coi.held,
	"embargo": embargo.held,
	"ZTDF": ztdf.held,
	"industry": industry.permitted,
	"industry cap": industry.within_cap,
	"coherence": coherence.held,
	"issuer": federation.trusted,
	"federation": federation.federated,
	"federation cap": federation.within_cap,
}

# Says so only when every single check said so: a check without an outcome is no permit.
default all_held := false

all_held if {
	every name in order {
		outcomes[name] == true
	}
}

first_failed := [name | some name in order; outcomes[name] == false][0]
