-- no adopter among the respondents is an estimate that is hidden too: a total of zero would tell its parts, however few answered
{{ sdc.protect(
    ref('int_technology_adoption_survey__cells'),
    rule_set='business_survey',
    rules={'zero': {'range': 0}}
) }}
