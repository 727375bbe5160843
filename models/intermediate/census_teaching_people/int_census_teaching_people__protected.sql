{{ sdc.protect(
    ref('int_census_teaching_people__cells'),
    rule_set='people_sensitive',
    rules={'group_disclosure': {'attributes': ['religion', 'ethnic_group', 'health']}}
) }}
