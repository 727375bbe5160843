{{ sdc.cells(
    relation=ref('int_digital_businesses__contributions'),
    dimensions={
        'area': {'hierarchy': ref('area_hierarchy')},
        'sub_sector': {'hierarchy': ref('digital_sector_hierarchy')},
        'size_band': {'hierarchy': ref('size_band_hierarchy')}
    },
    measures={
        'enterprises': {'count': 'enterprise_reference'},
        'local_units': {'count': 'local_unit_reference'}
    },
    contributor='enterprise_id',
    by=['period']
) }}
