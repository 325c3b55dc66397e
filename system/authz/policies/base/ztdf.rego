# A ZTDF object is intact. An empty or null hash is an absent one.
package base.ztdf

default held := false

held if object.get(input.resource, "ztdf", null) == null

held if {
	trim_space(input.resource.ztdf.policyHash) != ""
	trim_space(input.resource.ztdf.payloadHash) != ""
	input.resource.ztdf.integrityValidated == true
}
