{#-
    waived(contributor, register, product): has this contributor consented in writing to its contributions to this product
    being disclosed? SQL, for the contributions model; name its column in cells(..., waivers='<column>'). A contributor that
    waived its protection is no target any more, and still an attacker (macros/rules/concentration.sql).

    contributor   the column that identifies the contributor, pseudonymised like the register's
    register      ref() to a seed: id, contributor, product, valid_from, valid_until, evidence; dates inclusive. Its
                  contributors are pseudonyms, and even so it is confidential: it names who is in the data
    product       scope: the entries of this product only

    An entry of the product past its date, or without one, stops the build and is named by its id.
    Source: Handbook on Statistical Disclosure Control (2nd ed.), waivers.
-#}
{%- macro waived(contributor, register, product) -%}
    {%- do sdc._require(product is string and product, 'waived', 'product', 'the name of the product in the register', product) -%}
    {%- set today = "date '" ~ sdc._today() ~ "'" -%}
    coalesce(cast({{ contributor }} as varchar) in (
        select cast(waivers.contributor as varchar)
        from {{ register }} as waivers
        where
            waivers.product = '{{ product | replace("'", "''") }}'
            and case
                when coalesce(cast(waivers.valid_until as date) < {{ today }}, true)
                    then error('sdc.waived in {{ model.name }}: waiver ' || coalesce(cast(waivers.id as varchar), 'NULL')
                        || ' has expired or has no end; renew it or remove it')
                else coalesce(cast(waivers.valid_from as date) <= {{ today }}, false)
            end
            and waivers.contributor is not null
    ), false)
{%- endmacro -%}
