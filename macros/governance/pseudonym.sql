{#-
    pseudonym(column): a keyed pseudonym of an identifier, as SQL: HMAC-SHA-256 with a key derived from the project's
    secret, 128 bits in hexadecimal; NULL stays NULL. For staging models: nothing after staging knows the identifier.
    The same identifier has the same pseudonym in every source, so that sources can be linked.
-#}
{%- macro pseudonym(column) -%}
    sdc_pseudonym(cast({{ column }} as varchar))
{%- endmacro -%}
