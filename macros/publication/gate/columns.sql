{#-
    Refuse columns that are not the product's: its `by` columns and dimensions, their labels, and measures, derived ones
    too, with their markers. Every `by` column must be there (tables of different periods must not be mixed up).
-#}
{%- macro _gate_columns(columns, product) -%}
    {%- set labels = [] -%}
    {%- for name in product.dimensions -%}{%- do labels.append(name ~ '_label') -%}{%- endfor -%}
    {%- set problems = [] -%}
    {%- set measures = [] -%}
    {%- for column in columns -%}
        {%- set stem = column[:-7] if column.endswith('_marker') else column -%}
        {%- if stem in product.measures or stem in product.derived -%}
            {%- do measures.append(stem) -%}
            {%- if stem not in columns or stem ~ '_marker' not in columns -%}
                {%- do problems.append('column ' ~ column ~ ' comes without its twin: select a measure with sdc.published()') -%}
            {%- endif -%}
        {%- elif column not in product.by + product.dimensions + labels -%}
            {%- do problems.append('column ' ~ column ~ ' is not a dimension, label or published measure of the product') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for column in product.by if column not in columns -%}
        {%- do problems.append('column ' ~ column ~ ' is missing: it tells one table of the product from the other') -%}
    {%- endfor -%}
    {%- if not measures -%}
        {%- do problems.append('it has no measure') -%}
    {%- endif -%}
    {%- if problems -%}
        {%- do sdc._refuse(problems) -%}
    {%- endif -%}
{%- endmacro -%}
