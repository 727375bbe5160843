{#-
    Derived measures: computed from published parts only, so that they tell nothing that the parts do not, and are [c] where
    a part is. They have no column in the cells and protected models.

    mean, ratio     first part divided by the second           percentage   100 times that
    growth          percent on the previous period of the product: the part must be published in both
    quantile        interpolated from published counts in bands: lowest + (at * n - below) / inside * width of the band that
                    the quantile falls in. Every band of the cell must be published; no contributor's value is looked at

    A value that the published parts do not have (zero in the denominator, no previous period, a quantile in an open band,
    or of cells that are themselves one band) is NULL, marked [z]. A value is [u], of low reliability, where a part is.

    Sources: Handbook on Statistical Disclosure Control (2nd ed.), means and ratios from protected tables; grouped-data
    quantile: linear interpolation of the cumulative distribution.

    _derived_sql returns SQL over the columns of a protected model's row: {is_safe, value, marker}.
      derived     {kind, parts, decimals, ...} as declared
      product     {dimensions, totals, by}
      protected   the protected model: growth and quantiles read other rows of it
-#}
{%- macro _derived_sql(derived, product, protected) -%}
    {%- set decimal = 'decimal(38, ' ~ derived.decimals ~ ')' -%}
    {%- set parts = derived.parts -%}
    {%- if derived.kind in ['mean', 'ratio', 'percentage'] -%}
        {%- set is_safe = parts[0] ~ "_status = 'safe' and " ~ parts[1] ~ "_status = 'safe'" -%}
        {%- set value = parts[0] ~ ' / nullif(' ~ parts[1] ~ ', 0)' -%}
        {%- set value = '100 * ' ~ value if derived.kind == 'percentage' else value -%}
        {%- set is_low = parts[1] ~ "_reliability = 'low'" -%}
    {%- elif derived.kind == 'growth' -%}
        {%- set previous = sdc._previous(derived, product, protected) -%}
        {%- set is_safe = parts[0] ~ "_status = 'safe' and coalesce(" ~ previous ~ '.is_safe, true)' -%}
        {%- set value = '100 * (' ~ parts[0] ~ ' - ' ~ previous ~ '.amount) / nullif(' ~ previous ~ '.amount, 0)' -%}
        {%- set is_low = previous ~ '.is_low' -%}
    {%- else -%}
        {%- set bands = sdc._bands(derived, product, protected) -%}
        {%- set is_safe = parts[0] ~ "_status = 'safe' and coalesce(" ~ bands ~ '.is_safe, true)' -%}
        {%- set value = bands ~ '.amount' -%}
        {%- set is_low = bands ~ '.is_low' -%}
    {%- endif -%}
    {%- set is_safe = 'coalesce(' ~ is_safe ~ ', false)' -%}
    {%- set value = 'cast(' ~ value ~ ' as ' ~ decimal ~ ')' -%}
    {%- set is_low = 'coalesce(' ~ parts[0] ~ "_reliability = 'low', false) or coalesce(" ~ is_low ~ ', false)' -%}
    {{- return({
        'is_safe': is_safe,
        'value': value,
        'marker': 'case when not ' ~ is_safe ~ " then '[c]' when " ~ value ~ " is null then '[z]' when " ~ is_low ~ " then '[u]' end"
    }) -}}
{%- endmacro -%}


{#- {is_safe, is_low, amount} of the same cell in the previous period (the next lower code of the `by` column); NULL without one. -#}
{%- macro _previous(derived, product, protected) -%}
    {%- set same = product.by | reject('equalto', derived.over) | list + product.dimensions -%}
    {%- set others = product.by | reject('equalto', derived.over) | list -%}
    {%- set sql -%}
(
    select struct_pack(is_safe := sdc_is_safe, is_low := sdc_is_low, amount := sdc_amount)
    from (
        select
            {% for column in same %}earlier.{{ column }} as sdc_{{ column }}, {% endfor -%}
            followed.sdc_next,
            coalesce(earlier.{{ derived.parts[0] }}_status = 'safe', false) as sdc_is_safe,
            coalesce(earlier.{{ derived.parts[0] }}_reliability = 'low', false) as sdc_is_low,
            case when sdc_is_safe then earlier.{{ derived.parts[0] }} end as sdc_amount
        from {{ protected }} as earlier
        inner join (
            select
                *,
                lead({{ derived.over }}) over ({{ sdc._partition(others) }} order by {{ derived.over }}) as sdc_next
            from (select distinct {{ product.by | join(', ') }} from {{ protected }})
        ) as followed using ({{ product.by | join(', ') }})
    )
    where sdc_next = {{ derived.over }}{% for column in same %} and sdc_{{ column }} = {{ column }}{% endfor %}
)
    {%- endset -%}
    {{- return(sql) -}}
{%- endmacro -%}


{#- {is_safe, is_low, amount} of the quantile of a cell whose bands are its parts; NULL where the cell is a band itself. -#}
{%- macro _bands(derived, product, protected) -%}
    {%- set same = product.by + product.dimensions | reject('equalto', derived.bands) | list -%}
    {%- set count = derived.parts[0] -%}
    {%- set sql -%}
(
    select struct_pack(is_safe := sdc_is_safe, is_low := sdc_is_low, amount := sdc_amount)
    from (
        select
            {% for column in same %}sdc_{{ column }}, {% endfor -%}
            bool_and(sdc_status_is_safe) as sdc_is_safe,
            bool_or(sdc_band_is_low) as sdc_is_low,
            case
                when sdc_is_safe
                    then min_by(
                        lowest + (sdc_at - (sdc_up_to - sdc_inside)) / sdc_inside * (highest - lowest),
                        sdc_up_to
                    ) filter (where sdc_up_to >= sdc_at and sdc_inside > 0)
            end as sdc_amount
        from (
            select
                {% for column in same %}band.{{ column }} as sdc_{{ column }}, {% endfor -%}
                coalesce(band.{{ count }}_status = 'safe', false) as sdc_status_is_safe,
                coalesce(band.{{ count }}_reliability = 'low', false) as sdc_band_is_low,
                bounds.lowest,
                bounds.highest,
                cast(band.{{ count }} as double) as sdc_inside,
                sum(sdc_inside) over (partition by {{ sdc._listed(same, 'band.') }} order by bounds.lowest) as sdc_up_to,
                {{ derived.at }} * sum(sdc_inside) over (partition by {{ sdc._listed(same, 'band.') }}) as sdc_at
            from {{ protected }} as band
            inner join (
                values
                {%- for band in derived.bounds.bands %}
                (
                    '{{ band.code | replace("'", "''") }}',
                    cast({{ band.lowest }} as double),
                    cast({{ 'null' if band.highest is none else band.highest }} as double)
                ){{ ',' if not loop.last }}
                {%- endfor %}
            ) as bounds (code, lowest, highest) on band.{{ derived.bands }} = bounds.code
        )
        group by all
    )
    where
        {{ derived.bands }} = '{{ product.totals[derived.bands] | replace("'", "''") }}'
        {%- for column in same %}
        and sdc_{{ column }} = {{ column }}
        {%- endfor %}
)
    {%- endset -%}
    {{- return(sql) -}}
{%- endmacro -%}


{#- The product that a mart selects from, for its derived measures; none are known where there is no graph (unit tests). -#}
{%- macro _derived_of(node) -%}
    {%- set protected = sdc._upstream_with_role(node, 'protected') -%}
    {{- return(sdc._product_of(protected[0], 'published') if protected | length == 1 else {'derived': {}}) -}}
{%- endmacro -%}
