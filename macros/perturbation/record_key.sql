{#-
    record_key(column, keys, seed): the record key of the cell-key method, 0 to keys - 1, as SQL; NULL where the column is NULL.

    The same record has the same key in every table and run. Without a seed the key is keyed with the project's secret
    (as sdc.pseudonym()), so that nobody who knows a record's id can compute the noise; a seed is for public data and
    tests only. Sum it in cells(), NULL where the record does not count: measures={'shop_keys': {'sum': 'record_key', 'decimals': 0}}.

    column  identifies the record: the record's noise follows it from table to table
    keys    256 (default) or 4096: as many as the p-table has cell keys
-#}
{%- macro record_key(column, keys=256, seed=none) -%}
    {%- do sdc._require(sdc._is_name(column), 'record_key', 'column', 'the name of the column that identifies a record', column) -%}
    {%- do sdc._require(keys in [256, 4096], 'record_key', 'keys', '256 or 4096', keys) -%}
    {%- if seed is none -%}
    cast('0x' || substr(sdc_pseudonym('record key ' || cast({{ column }} as varchar)), 1, 8) as bigint) % {{ keys }}
    {%- else -%}
    {%- do sdc._require(seed is integer, 'record_key', 'seed', 'a whole number', seed) -%}
    cast('0x' || substr(md5('{{ seed }} ' || cast({{ column }} as varchar)), 1, 8) as bigint) % {{ keys }}
    {%- endif -%}
{%- endmacro -%}
