{{ config(location=sdc.release_location('rel_company_register_by_local_authority')) }}

select *
from {{ ref('pub_company_register_by_local_authority') }}
order by all
