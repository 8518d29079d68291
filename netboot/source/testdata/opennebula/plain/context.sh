HOSTNAME="a \"b\""
USER_DATA='#!/bin/sh
echo $HOME `date`
'
