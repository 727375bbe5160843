select
    period,
    area,
    area_label,
    sub_sector,
    sub_sector_label,
    {{ sdc.published('enterprises') }},
    {{ sdc.published('local_units') }}
from {{ ref('int_digital_businesses__protected') }}
where size_band = {{ sdc.total() }}
