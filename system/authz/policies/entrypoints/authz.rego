# METADATA
# title: Authorization
# description: The decision document. Its four rules are the whole answer; what leads to them is elsewhere.
# entrypoint: true
package dive.authz

default allow := false

allow if data.dive.checks.all_held

reason := "allow" if {
	allow
} else := data.dive.checks.first_failed

obligations := [{"type": "kas", "action": "request_key", "kaoId": concat("", ["kao-", input.resource.resourceId])}] if {
	allow
	input.resource.encrypted == true
} else := []

evaluation_details := {"checks": data.dive.checks.outcomes}
