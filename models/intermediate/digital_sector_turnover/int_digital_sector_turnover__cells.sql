{{ sdc.cells(
    relation=ref('int_digital_sector_turnover__contributions'),
    dimensions={
        'area': {'hierarchy': ref('area_hierarchy')},
        'sub_sector': {'hierarchy': ref('digital_and_telecoms_hierarchy')},
        'size_band': {'hierarchy': ref('size_band_hierarchy')}
    },
    measures={'turnover': {'sum': 'turnover'}},
    contributor='enterprise_group_id',
    by=['period'],
    tables=[
        ['area'],
        [{'area': {'depth': 1}}, 'sub_sector'],
        [{'area': {'depth': 1}}, 'size_band'],
        ['sub_sector', 'size_band']
    ]
) }}
