select
    local_authority,
    local_authority_label,
    industry,
    industry_label,
    age_band,
    age_band_label,
    {{ sdc.published('companies') }}
from {{ ref('int_company_register__protected') }}
where postcode_district = {{ sdc.total() }}
