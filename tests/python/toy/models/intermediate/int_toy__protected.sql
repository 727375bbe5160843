{{ sdc.protect(ref('int_toy__cells'), rule_set='business_counts') }}
