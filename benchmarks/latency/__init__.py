"""The defended model beside the undefended one as the usual exporters write it."""
