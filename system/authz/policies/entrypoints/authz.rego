# METADATA
# title: Authorization
# description: The decision document. Its four rules are the whole answer; what leads to them is elsewhere.
# entrypoint: true
package dive.authz

default allow := false

# Asked in the positive: were an outcome missing, `outcomes` would be undefined, and so would this.
allow if {
	failed := false in data.dive.checks.outcomes
	failed == false
}

reason := "allow" if {
	allow
} else := data.dive.checks.first_failed

obligations := [{"type": "kas", "action": "request_key", "kaoId": concat("", ["kao-", input.resource.resourceId])}] if {
	input.resource.encrypted == true
	allow
} else := []

evaluation_details := {"checks": data.dive.checks.outcomes}
