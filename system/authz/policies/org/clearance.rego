# The subject's level reaches the resource's. What cannot be mapped reaches nothing.
package org.clearance

default held := false

held if data.org.equivalence.subject_level >= data.org.equivalence.resource_level
