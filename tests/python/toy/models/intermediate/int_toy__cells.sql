{{ sdc.cells(
    relation=ref('stg_toy__shops'),
    dimensions={'area': {'hierarchy': ref('toy_area_hierarchy')}, 'size_band': {}},
    measures={'shops': {'count': true}, 'turnover': {'sum': 'turnover'}},
    contributor='owner_id',
    by=['period']
) }}
