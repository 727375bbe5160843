select
    postcode_district,
    postcode_district_label,
    industry,
    industry_label,
    {{ sdc.published('companies') }}
from {{ ref('int_company_register__protected') }}
where
    local_authority = {{ sdc.total() }}
    and age_band = {{ sdc.total() }}
