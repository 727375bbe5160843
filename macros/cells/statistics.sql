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


{#- What a record contributes to a measure: NULL where it does not count. Columns m and, with a weight,
    m_amount and m_weight. -#}
{%- macro _contribution(measure) -%}
    {%- set counted = 'true' if measure.column is sameas true else measure.column ~ ' is not null' -%}
    {%- set amount = 'decimal(28, ' ~ measure.decimals ~ ')' -%}
    {%- if measure.kind == 'sum' -%}
        cast({{ measure.column }} as {{ amount }}) as {{ measure.name }}
    {%- elif measure.kind == 'weighted_sum' -%}
        {#- rounded record by record, so that totals add up exactly -#}
        cast(cast({{ measure.weight }} as decimal(18, 6)) * cast({{ measure.column }} as decimal(20, {{ measure.decimals }}))
            as {{ amount }}) as {{ measure.name }},
        cast({{ measure.column }} as {{ amount }}) as {{ measure.name }}_amount,
        cast({{ measure.weight }} as decimal(18, 6)) as {{ measure.name }}_weight
    {%- elif measure.kind == 'weighted_count' -%}
        case when {{ counted }} then cast({{ measure.weight }} as {{ amount }}) end as {{ measure.name }},
        case when {{ counted }} then cast(1 as {{ amount }}) end as {{ measure.name }}_amount,
        cast({{ measure.weight }} as decimal(18, 6)) as {{ measure.name }}_weight
    {%- else -%}
        case when {{ counted }} then cast(1 as bigint) end as {{ measure.name }}
    {%- endif -%}
{%- endmacro -%}


{#- Records summed per contributor and cell. -#}
{%- macro _contributor_totals(product) -%}
    {%- if product.requests %}
bool_or(requested) as requested,
    {%- endif %}
    {%- if product.waivers %}
bool_and(waived) as waived,
    {%- endif %}
    {%- for measure in product.measures %}
    {%- if sdc._is_count(measure) %}
nullif(count({{ measure.name }}), 0) as {{ measure.name }}
    {%- else %}
sum({{ measure.name }}) as {{ measure.name }}
    {%- if measure.weight %},
sum({{ measure.name }}_amount) as {{ measure.name }}_amount,
count({{ measure.name }}_amount) as {{ measure.name }}_unweighted
    {%- endif %}
    {%- endif %}
    {{- ',' if not loop.last }}
    {%- endfor %}
{%- endmacro -%}


{#- Of such sums, the columns that must be known of one contributor in a larger cell: not what can be added up whoever it is
    from. -#}
{%- macro _followed(product) -%}
    {%- set columns = ['requested'] * (product.requests is not none) + ['waived'] * (product.waivers is not none) -%}
    {%- for measure in product.measures if measure.kind != 'records' -%}
        {%- do columns.extend([measure.name] + [measure.name ~ '_amount'] * (measure.weight is not none)) -%}
    {%- endfor -%}
    {{- return(columns) -}}
{%- endmacro -%}


{#- These columns of one contributor's rows as one row. -#}
{%- macro _followed_totals(product) -%}
    {%- if product.requests %},
bool_or(requested) as requested
    {%- endif %}
    {%- if product.waivers %},
bool_and(waived) as waived
    {%- endif %}
    {%- for measure in product.measures if measure.kind != 'records' %},
{{ 'max' if sdc._is_count(measure) else 'sum' }}({{ measure.name }}) as {{ measure.name }}
    {%- if measure.weight %},
sum({{ measure.name }}_amount) as {{ measure.name }}_amount
    {%- endif %}
    {%- endfor %}
{%- endmacro -%}


{#- What a contributor's row adds to a cell, whoever it is from. -#}
{%- macro _values(product) %}
records
    {%- for measure in product.measures %},
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
{{ 'cast(sum(' ~ name ~ ') as bigint)' if sdc._is_count(measure) else 'sum(' ~ name ~ ')' }} as {{ name }},
cast(sum({{ name }}_contributors) as bigint) as {{ name }}_contributors,
    {%- if sdc._is_count(measure) %}
min({{ name }}_sole_contributor) as {{ name }}_sole_contributor
    {%- else %}
    {%- if measure.negatives %}
sum({{ name }}_absolute) as {{ name }}_absolute,
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
cast(rolled.{{ name }} as {{ sdc._measure_type(measure) }}) as {{ name }},
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
