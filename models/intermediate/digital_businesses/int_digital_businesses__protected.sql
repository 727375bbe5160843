{{ sdc.protect(
    ref('int_digital_businesses__cells'),
    rule_set='business_counts',
    least_suppressed_count=0,
    unions=false,
    pinning=false
) }}
