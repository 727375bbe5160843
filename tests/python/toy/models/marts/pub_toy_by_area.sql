select
    period,
    area,
    area_label,
    {{ sdc.published('shops') }},
    {{ sdc.published('turnover') }}
from {{ ref('int_toy__protected') }}
where size_band = {{ sdc.total() }}
