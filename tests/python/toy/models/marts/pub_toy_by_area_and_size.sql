select
    period,
    area,
    size_band,
    {{ sdc.published('shops') }}
from {{ ref('int_toy__protected') }}
