{{ sdc.protect(ref('int_digital_sector_turnover__cells'), rule_set='business_survey') }}
