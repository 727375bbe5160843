select
    period,
    area,
    area_label,
    sub_sector,
    sub_sector_label,
    size_band,
    size_band_label,
    {{ sdc.published('enterprises') }},
    {{ sdc.published('local_units') }}
from {{ ref('int_digital_businesses__protected') }}
