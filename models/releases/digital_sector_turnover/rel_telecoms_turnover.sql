{{ config(location=sdc.release_location('rel_telecoms_turnover')) }}

select *
from {{ ref('pub_telecoms_turnover') }}
order by all
