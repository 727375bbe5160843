-- estimates of zero are hidden too: a total of zero tells each of its parts, however few answered there
{{ sdc.protect(
    ref('int_technology_adoption_survey__cells'),
    rule_set='business_survey',
    rules={'zero': {'range': 0}}
) }}
