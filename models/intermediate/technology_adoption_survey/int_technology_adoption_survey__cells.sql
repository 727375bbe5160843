{{ sdc.cells(
    relation=ref('int_technology_adoption_survey__contributions'),
    dimensions={
        'area': {'hierarchy': ref('area_hierarchy')},
        'industry': {'hierarchy': ref('survey_industry_hierarchy')},
        'size_band': {'hierarchy': ref('size_band_hierarchy')}
    },
    measures={
        'enterprises': {'count': true, 'weight': 'weight'},
        'adopters': {'sum': 'adopts', 'weight': 'weight'},
        'adoption_rate': {'percentage': ['adopters', 'enterprises']}
    },
    contributor='enterprise_group_id',
    by=['period', 'technology'],
    tables=[
        ['industry', 'size_band'],
        ['area'],
        [{'area': {'depth': 1}}, 'size_band']
    ]
) }}
