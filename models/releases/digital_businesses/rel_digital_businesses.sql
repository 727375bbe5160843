{{ config(location=sdc.release_location('rel_digital_businesses')) }}

select *
from {{ ref('pub_digital_businesses') }}
order by all
