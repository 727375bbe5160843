{{ sdc.cells(
    relation=ref('int_company_register__contributions'),
    dimensions={
        'local_authority': {'hierarchy': ref('local_authority_hierarchy')},
        'postcode_district': {'hierarchy': ref('postcode_district_hierarchy')},
        'industry': {'hierarchy': ref('industry_hierarchy')},
        'age_band': {'hierarchy': ref('age_band_hierarchy')}
    },
    measures={'companies': {'count': true}},
    contributor='company_id',
    tables=[
        ['local_authority', 'industry', 'age_band'],
        ['postcode_district', {'industry': {'depth': 1}}]
    ]
) }}
