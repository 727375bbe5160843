{{ sdc.protect(ref('int_company_register__cells'), rule_set='business_counts') }}
