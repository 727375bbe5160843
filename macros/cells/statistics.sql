{#-
    What a cell knows of its contributors, for each measure `m` of a product:

    m                     the value: bigint for counts, decimal for sums and weighted counts
    m_contributors        distinct contributors with a record that counts (bigint)
    m_sole_contributor    the contributor where there is exactly one (varchar)

    and, for every measure that is not a plain count, of contributions summed per contributor inside the cell,

    m_largest             the five largest: list of {contributor varchar, amount decimal, waived boolean}, by size
                          (absolute value) descending, ties by contributor; `amount` is the size
    m_absolute            the sum of their sizes (decimal): m, where no contributor's sum is negative
    m_zero_contributors   how many are exactly zero (bigint)
    m_unweighted          of a weighted measure: respondents, that is records that count, without weights (bigint)
    m_requested_largest   the largest size among contributors that asked for protection (decimal; where `requests` is given)

    Of a weighted measure, `m_largest` and `m_requested_largest` hold unweighted sample amounts (p% compares these with the
    weighted total), m and m_absolute weighted ones. Once a cell: `records`, and `requests`, the distinct contributors in it
    that asked for protection.

    A contributor's row is a cell of one contributor, and cells of different contributors merge: the macros below say how,
    in this order. Source of the definitions: Handbook on Statistical Disclosure Control (2nd ed.), chapter 4.
-#}


{#- The contributions of a product as cells() and the test that recounts them read them: `by`, dimensions, flags, measures,
    contributor, and one record each. -#}
{%- macro _contributions(relation, product, dims) -%}
select
    {%- for column in product.by + dims %}
    cast({{ column }} as varchar) as {{ column }},
    {%- endfor %}
    {%- for flag, column in [('requested', product.requests), ('waived', product.waivers)] if column %}
    cast({{ column }} as boolean) as {{ flag }},
    {%- endfor %}
    {%- for measure in product.measures %}
    {{ sdc._contribution(measure) }},
    {%- endfor %}
    cast({{ product.contributor }} as varchar) as contributor,
    cast(1 as bigint) as records
from {{ relation }}
{%- endmacro -%}


{#- What a record contributes to a measure: NULL where it does not count, and where it does but is no number of the
    measure's type. Columns m, m_given of a magnitude and, with a weight, m_amount, m_weight and m_unweighted. -#}
{%- macro _contribution(measure) -%}
    {%- set name, column, weight = measure.name, measure.column, measure.weight -%}
    {%- set counted = 'true' if column is sameas true else column ~ ' is not null' -%}
    {%- set amount = sdc._amount(measure) -%}
    {%- if measure.kind == 'sum' -%}
        try_cast({{ column }} as {{ amount }}) as {{ name }}
    {%- elif measure.kind == 'weighted_sum' -%}
        {#- rounded record by record, so that totals add up exactly -#}
        try_cast(try_cast({{ weight }} as decimal(18, 6)) * try_cast({{ column }} as decimal(20, {{ measure.decimals }}))
            as {{ amount }}) as {{ name }},
        try_cast({{ column }} as {{ amount }}) as {{ name }}_amount
    {%- elif measure.kind == 'weighted_count' -%}
        case when {{ counted }} then try_cast({{ weight }} as {{ amount }}) end as {{ name }},
        case when {{ counted }} then cast(1 as {{ amount }}) end as {{ name }}_amount
    {%- else -%}
        case when {{ counted }} then cast(1 as bigint) end as {{ name }}
    {%- endif -%}
    {%- if not sdc._is_count(measure) -%},
        {{ counted }} as {{ name }}_given
    {%- endif -%}
    {%- if weight -%},
        try_cast({{ weight }} as decimal(18, 6)) as {{ name }}_weight,
        cast({{ counted }} as integer) as {{ name }}_unweighted
    {%- endif -%}
{%- endmacro -%}


{#- The type of a measure on its way to a cell. Counts are whole. Of amounts 18 digits are added up in a fraction of the
    time of 38, and hold totals of sixteen digits and two decimals. cells() stops where they do not. -#}
{%- macro _amount(measure) -%}
    {{- return('bigint' if sdc._is_count(measure) else 'decimal(' ~ sdc._digits(measure) ~ ', ' ~ measure.decimals ~ ')') -}}
{%- endmacro -%}


{#- How many digits an amount may have, decimals included. -#}
{%- macro _digits(measure) -%}
    {{- return(18 if measure.decimals <= 4 else 38) -}}
{%- endmacro -%}


{#- What must be known of one contributor in a cell, whatever its records: not what can be added up whoever it is from. -#}
{%- macro _followed(product) -%}
    {%- set columns = ['requested'] * (product.requests is not none) + ['waived'] * (product.waivers is not none) -%}
    {%- for measure in product.measures if measure.kind != 'records' -%}
        {%- do columns.extend([measure.name] + [measure.name ~ '_amount'] * (measure.weight is not none)) -%}
    {%- endfor -%}
    {{- return(columns) -}}
{%- endmacro -%}


{#- These columns of one contributor's records, or of its rows in smaller cells, as one row. -#}
{%- macro _contributor_totals(product) -%}
    {%- if product.requests %},
bool_or(requested) as requested
    {%- endif %}
    {%- if product.waivers %},
bool_and(waived) as waived
    {%- endif %}
    {%- for measure in product.measures if measure.kind != 'records' %}
    {%- if sdc._is_count(measure) %},
max({{ measure.name }}) as {{ measure.name }}
    {%- else %},
{{ sdc._sum(measure, measure.name) }}
    {%- if measure.weight %},
{{ sdc._sum(measure, measure.name ~ '_amount') }}
    {%- endif %}
    {%- endif %}
    {%- endfor %}
{%- endmacro -%}


{#- A sum of amounts as an amount; NULL where it is too large, because an error would quote it. -#}
{%- macro _sum(measure, column) -%}
    try_cast(sum({{ column }}) as {{ sdc._amount(measure) }}) as {{ column }}
{%- endmacro -%}


{#- What a record adds to a cell, whoever it is from. -#}
{%- macro _values(product) %}
records
    {%- for measure in product.measures if measure.kind != 'records' %},
coalesce({{ measure.name }}, 0) as {{ measure.name }}
    {%- if measure.weight %},
{{ measure.name }}_unweighted
    {%- endif %}
    {%- endfor %}
{%- endmacro -%}


{#- What a contributor's row adds as a cell of one contributor. -#}
{%- macro _of_one_contributor(product) %}
    {%- if product.requests %}
cast(requested as integer) as requests,
    {%- endif %}
    {%- for measure in product.measures %}
    {%- set name = measure.name %}
    {%- set counts = 'true' if measure.kind == 'records' else name ~ ' is not null' %}
    {%- set amount = name ~ ('_amount' if measure.weight else '') %}
cast({{ counts }} as integer) as {{ name }}_contributors,
    {%- if sdc._is_count(measure) %}
case when {{ counts }} then contributor end as {{ name }}_sole_contributor
    {%- else %}
    {#- without negatives, the sum of the sizes is the value #}
    {%- if measure.negatives %}
coalesce(abs({{ name }}), 0) as {{ name }}_absolute,
    {%- endif %}
cast(coalesce({{ name }} = 0, false) as integer) as {{ name }}_zero_contributors
    {%- if product.requests %},
case when requested then abs({{ amount }}) end as {{ name }}_requested_largest
    {%- endif %},
case
    when {{ counts }}
        {#- by negative size, so that the least is the largest #}
        then struct_pack(
            size := -abs({{ amount }}),
            contributor := contributor{{ ',\n            waived := waived' if product.waivers }}
        )
end as {{ name }}_largest
    {%- endif %}
    {{- ',' if not loop.last }}
    {%- endfor %}
{%- endmacro -%}


{#- Cells of different contributors as one cell. -#}
{%- macro _merged(product) %}
cast(sum(records) as bigint) as records,
    {%- if product.requests %}
cast(sum(requests) as bigint) as requests,
    {%- endif %}
    {%- for measure in product.measures %}
    {%- set name = measure.name %}
    {%- if measure.kind != 'records' %}
{{ sdc._sum(measure, name) }},
    {%- endif %}
cast(sum({{ name }}_contributors) as bigint) as {{ name }}_contributors,
    {%- if sdc._is_count(measure) %}
min({{ name }}_sole_contributor) as {{ name }}_sole_contributor
    {%- else %}
    {%- if measure.negatives %}
{{ sdc._sum(measure, name ~ '_absolute') }},
    {%- endif %}
cast(sum({{ name }}_zero_contributors) as bigint) as {{ name }}_zero_contributors
    {%- if measure.weight %},
cast(sum({{ name }}_unweighted) as bigint) as {{ name }}_unweighted
    {%- endif %}
    {%- if product.requests %},
max({{ name }}_requested_largest) as {{ name }}_requested_largest
    {%- endif %},
min({{ name }}_largest, 5) as {{ name }}_largest
    {%- endif %}
    {{- ',' if not loop.last }}
    {%- endfor %}
{%- endmacro -%}


{#- The columns of the cells model, from the cells rolled up in all dimensions, `rolled`. -#}
{%- macro _statistics(product) %}
rolled.records,
    {%- if product.requests %}
rolled.requests,
    {%- endif %}
    {%- for measure in product.measures %}
    {%- set name = measure.name %}
    {%- set decimal = 'decimal(38, ' ~ measure.decimals ~ ')' %}
cast(rolled.{{ 'records' if measure.kind == 'records' else name }} as {{ sdc._measure_type(measure) }}) as {{ name }},
rolled.{{ name }}_contributors,
case
    when rolled.{{ name }}_contributors = 1
        then rolled.{{ name }}_{{ 'sole_contributor' if sdc._is_count(measure) else 'largest[1].contributor' }}
end as {{ name }}_sole_contributor
    {%- if not sdc._is_count(measure) %},
coalesce(
    list_transform(rolled.{{ name }}_largest, lambda x: struct_pack(
        contributor := x.contributor,
        amount := cast(-x.size as {{ decimal }}),
        waived := {{ 'x.waived' if product.waivers else 'false' }}
    )),
    []
) as {{ name }}_largest,
cast(rolled.{{ name ~ ('_absolute' if measure.negatives else '') }} as {{ decimal }}) as {{ name }}_absolute,
rolled.{{ name }}_zero_contributors
    {%- if measure.weight %},
rolled.{{ name }}_unweighted
    {%- endif %}
    {%- if product.requests %},
cast(rolled.{{ name }}_requested_largest as {{ decimal }}) as {{ name }}_requested_largest
    {%- endif %}
    {%- endif %}
    {{- ',' if not loop.last }}
    {%- endfor %}
{%- endmacro -%}


{#- Is the measure a plain count: a whole number of records, without weights? -#}
{%- macro _is_count(measure) -%}
    {{- return(measure.kind in ['records', 'count']) -}}
{%- endmacro -%}


{#- Counts are whole; magnitudes are decimals, because a parallel sum of floats has other last digits each time. -#}
{%- macro _measure_type(measure) -%}
    {{- 'bigint' if sdc._is_count(measure) else 'decimal(38, ' ~ measure.decimals ~ ')' -}}
{%- endmacro -%}
