# The subject's level reaches the resource's. What cannot be mapped reaches nothing.
package org.clearance

import data.org.equivalence

default held := false

held if equivalence.subject_level >= equivalence.resource_level
