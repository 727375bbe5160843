{{ sdc.cells(
    relation=ref('int_census_teaching_people__contributions'),
    dimensions={
        'region': {'hierarchy': ref('census_region_hierarchy')},
        'sex': {'hierarchy': ref('census_sex_hierarchy')},
        'age': {'hierarchy': ref('census_age_hierarchy')},
        'religion': {'hierarchy': ref('census_religion_hierarchy')},
        'ethnic_group': {'hierarchy': ref('census_ethnic_group_hierarchy')},
        'health': {'hierarchy': ref('census_health_hierarchy')},
        'occupation': {'hierarchy': ref('census_occupation_hierarchy')}
    },
    measures={'persons': {'count': true}},
    contributor='person_id',
    tables=[
        ['region', {'religion': {'depth': 1}}, {'age': {'depth': 1}}],
        ['religion', 'age'],
        ['region', 'ethnic_group', 'sex'],
        ['region', {'health': {'depth': 1}}, {'age': {'depth': 1}}],
        ['health', 'age'],
        ['occupation', 'ethnic_group', 'sex']
    ]
) }}
