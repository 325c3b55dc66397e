# A ZTDF object is intact. An empty or null hash is an absent one.
package base.ztdf

import data.base.types

default held := false

held if object.get(input.resource, "ztdf", null) == null

held if {
	types.text(input.resource.ztdf.policyHash)
	types.text(input.resource.ztdf.payloadHash)
	input.resource.ztdf.integrityValidated == true
}
